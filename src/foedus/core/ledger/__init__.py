"""The books: usage records, hash-chained entries, their verification, and the balance that follows from them."""
