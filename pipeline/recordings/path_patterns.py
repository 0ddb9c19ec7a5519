"""Which files in or below an input are meant, by patterns on their paths: `--include` and `--exclude`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache


@dataclass(slots=True)
class PathPatterns:
    """Patterns as a shell has them, held against posix paths below an input.

    `*` stands for anything, slashes too. A pattern matches a file by its whole path or that of a folder above it; one
    without a slash also by the name of any folder on the way, or by the file's own, with its suffix or without.
    Capitals count.

    Attributes
    ----------
    include : a file must match one of them; none takes all
    exclude : and none of these
    n_left_out : files that were left out so far
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    n_left_out: int = 0
    _used: set[str] = field(default_factory=set)

    def takes(self, relative: str) -> bool:
        """Whether a file is meant; one that is not is counted.

        Parameters
        ----------
        relative : posix path below the input, with the file's suffix
        """
        if not self.include and not self.exclude:
            return True
        included = self._matches(relative, self.include) if self.include else True
        taken = included and not self._matches(relative, self.exclude)
        self.n_left_out += not taken
        return taken

    @property
    def unused(self) -> list[str]:
        """Patterns that matched nothing, which may be misspelt."""
        return [one for one in dict.fromkeys((*self.include, *self.exclude)) if one not in self._used]

    def _matches(self, relative: str, patterns: Sequence[str]) -> bool:
        found = [one for one in patterns if _matches(relative, one)]
        self._used.update(found)
        return bool(found)


def _matches(relative: str, pattern: str) -> bool:
    match = _compile(pattern.removeprefix("./").rstrip("/"))
    parts = relative.split("/")
    if any(match("/".join(parts[:end])) for end in range(1, len(parts) + 1)):
        return True
    if "/" in pattern.removeprefix("./").rstrip("/"):
        return False
    return any(match(part) for part in parts) or bool(match(parts[-1].partition(".")[0]))


@lru_cache(maxsize=256)
def _compile(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(translate(pattern)).match
