"""What a person sees and receives."""
