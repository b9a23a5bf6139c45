"""What figures are put together from: style, panels, axes, scales, intervals, views, files."""
