"""Linear models of n-grams, solved and not trained step by step."""
