"""What customers meet: DNS, entries, databases, and the figures drawn from them."""
