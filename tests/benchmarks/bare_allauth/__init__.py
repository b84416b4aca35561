"""The least that Django and allauth need for a login: what the product's is compared with."""
