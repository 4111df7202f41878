"""Source files in, objects out: the room behind the ``Renderer`` port.

Called by the `app` room, which wires `render.Render`. One file per tool; foreign engines run in worker processes.
"""
