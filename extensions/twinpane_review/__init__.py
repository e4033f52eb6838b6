"""A site's egress review: requests, two blind votes by people who are not the author, and what is released with its receipt."""
