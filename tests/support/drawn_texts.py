"""What texts a figure shows, and that they can all be read."""

from matplotlib.backends.backend_agg import FigureCanvasAgg


def boxes(figure):
    """Return each text that is drawn, and where."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and hasattr(artist, "get_window_extent"))
    for axes in figure.axes:  # matplotlib keeps ticks beyond the limits, and does not draw them
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    texts = [text for text in texts if text not in (tick.label1, tick.label2)]
    shown = [text for text in texts if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def check(figure):
    """Return the texts of a figure, in the order of drawing; all inside it and none on another."""
    found = boxes(figure)
    for index, (text, box) in enumerate(found):
        assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert -1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
        for other, other_box in found[index + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert min(width, height) <= 1, (text, other)
    return [text for text, _ in found]
