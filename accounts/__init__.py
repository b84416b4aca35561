"""People, how they sign in, and the sealing of what they type."""
