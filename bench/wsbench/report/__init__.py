"""Reports: each a pure function of one finished ``document.Result``, the same content for three media.

``reading`` says what the document means (what stands, what is void), ``wording`` writes numbers, ``verdict`` the
sentences at the top, ``tables`` the tables, ``chart`` the drawings; ``terminal``, ``markdown``, ``html`` lay them out.
"""
