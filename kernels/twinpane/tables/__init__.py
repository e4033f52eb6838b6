"""The sites' releases of one question as one table: the data, and the table in words, in HTML and as pandas."""
