"""Are y, dx and all gradients those of what was identified, within what rounding explains?"""
