"""Pictures, drawn with matplotlib: maps, the routes of a gradient, its error, a report.

Each takes `ax`, the Axes to draw on, and returns it; without one it draws on those of a new figure.
None needs a display. All are to be read in grey as well: light is more.
"""

from npcbam.plots.maps import plot_maps
from npcbam.plots.reports import plot_check
from npcbam.plots.routes import gradient_routes, plot_gradient_routes
from npcbam.plots.steps import plot_step_curve

__all__ = [
    "gradient_routes",
    "plot_check",
    "plot_gradient_routes",
    "plot_maps",
    "plot_step_curve",
]
