"""What a job asks for, and the states that it goes through."""
