"""External directories, who is bound to them, and the connectors that speak to them."""
