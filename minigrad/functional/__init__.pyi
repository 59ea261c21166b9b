# For type checkers alone: the rooms are gathered by their lists of names.
from .activation import *
from .affine import *
from .attention import *
from .binary import *
from .classification import *
from .convolution import *
from .embedding import *
from .loss import *
from .normalization import *
from .pooling import *
from .recurrent import *
from .regularization import *

__all__: list[str]
