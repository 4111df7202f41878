"""The Common Expression Language with Kubernetes' environment: text in, program out. Pure.

Called by the API server (rules of custom resources, admission policies) and by families whose resources hold expressions.
``compile(text, environment)`` answers a ``Program`` or raises ``CelProblem``; ``Program.evaluate`` raises ``CelError``.
"""

from trueup.cel.environment import Environment as Environment
from trueup.cel.environments import extended as extended
from trueup.cel.environments import kubernetes as kubernetes
from trueup.cel.problems import BudgetExceeded as BudgetExceeded
from trueup.cel.problems import CelError as CelError
from trueup.cel.problems import CelProblem as CelProblem
from trueup.cel.program import Program as Program
from trueup.cel.program import compile as compile
