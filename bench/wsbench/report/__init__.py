"""Reports: each a pure function of one finished ``document.Result``, the same content for three media.

``reading`` says what the document means (what stands, what is void), ``wording`` writes numbers, ``verdict`` writes the
sentences at the top, ``tables`` the tables and ``chart`` the drawings; ``terminal``, ``markdown`` and ``html`` lay them out.
"""
