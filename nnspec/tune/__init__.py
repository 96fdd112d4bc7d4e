"""The search for better settings: trials of a spec, with values from the domains of its `let`s.

    search.py     what is searched, by which measure; what must hold before the first trial
    study.py      a study: its folder, whose turn it is, what came of each trial
    trial.py      one trial: a short-lived run, ended early where it falls behind
    workers.py    several processes on one study
    best.py       the spec with the values found

Optuna proposes; it is imported by what uses it, not here.
"""
