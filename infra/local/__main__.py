"""`python -m infra.local`, on the port in PORT."""

import sys

from infra.local.host import main

sys.exit(main())
