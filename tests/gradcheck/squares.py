"""Functions that a snippet can import by their names."""


def square_vjp(x):
    return x**2, lambda dy: 2 * x * dy


def wrong_square_vjp(x):
    return x**2, lambda dy: 2.002 * x * dy
