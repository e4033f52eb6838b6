"""``twinpane doctor``: looks at a machine and says what to do. It changes nothing, and uses the looks that a start uses."""
