"""Text from outside: taken in at one place (`names`), and written into each language by its own escaper (`escapes`)."""
