"""What slow tests share: real sites, a real switchboard, a recorder on the link, a notebook client."""
