"""The steward's part of a site's pages: what left, what waits, what is left on the meters, and the switch that stops everything.

Only an account of the site itself gets here, and only one that is marked as a steward's: no word of the hub's makes a steward.
"""
