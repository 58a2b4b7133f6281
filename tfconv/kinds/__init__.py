"""The kinds of work, such as text and images: what one word after `tfconv train` stands for."""
