"""Pages of the studies room: the expert's desk and rating page, the admin's studies."""
