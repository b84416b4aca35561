"""What breaks, and what must hold after it: the product's processes, one of them broken."""
