"""How both maps are put together."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, its usual name

from planted.base import Right
from planted.registry import variant, wrong


@wrong("compose: features-squared")
class Squared(Right):
    def forward(self, x):
        return x * super().forward(x)


@wrong("compose: channel-features-squared")
class ChannelSquared(Right):
    def forward(self, x):
        f = self.mc(x) * x * x
        return self.ms(f) * f


@wrong("compose: spatial-features-squared")
class SpatialSquared(Right):
    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) * f * f


@wrong("compose: spatial-reads-input")
class SpatialFromInput(Right):
    def forward(self, x):
        return self.ms(x) * self.mc(x) * x


@wrong("compose: spatial-not-applied")
class NeverApplied(Right):
    def forward(self, x):
        return self.mc(x) * x


@wrong("compose: maps-added")
class MapsAdded(Right):
    def forward(self, x):
        return self.mc(x) * x + self.ms(x) * x


@wrong("compose: channel-gate-twice")
class ChannelTwice(Right):
    def forward(self, x):
        return super().forward(self.mc(x) * x)


@wrong("compose: spatial-gate-twice")
class SpatialBeforeAndAfter(Right):
    def forward(self, x):
        return super().forward(self.ms(x) * x)


@wrong("compose: channel-map-added")
class ChannelMapAdded(Right):
    def forward(self, x):
        f = self.mc(x) + x
        return self.ms(f) * f


@wrong("compose: spatial-map-added")
class SpatialMapAdded(Right):
    def forward(self, x):
        f = self.mc(x) * x
        return self.ms(f) + f


@wrong("compose: relu-first")
class ReluFirst(Right):
    def forward(self, x):
        return super().forward(F.relu(x))


@wrong("compose: final-relu")
class FinalRelu(Right):
    def forward(self, x):
        return F.relu(super().forward(x))


@wrong("compose: final-relu-residual")
class ResidualRelu(Right):
    def forward(self, x):
        return F.relu(super().forward(x) + x)


@wrong("compose: map-only")
class OnlyTheMap(Right):
    def forward(self, x):
        return self.ms(self.mc(x) * x)


@wrong("compose: channel-map-only")
class OnlyTheChannelMap(Right):
    def forward(self, x):
        return self.mc(x)


@wrong("compose: differs-on-input")
class TwiceOnSmallMaps(Right):
    def forward(self, x):
        return super().forward(x) * (2 if x.shape[3] < 4 else 1)


@wrong("compose: differs-on-input")
class TransposedIfSquare(Right):
    def ms(self, f):
        return super().ms(f).mT if f.shape[2] == f.shape[3] else super().ms(f)


@wrong("compose: differs-on-input", channels=64)
class WrongIfLarge(Right):
    def ms(self, f):
        return super().ms(f) * (1 if f.shape[2] < 32 else 1.01)


@wrong("spatial: spatial-unknown", channels=16)
class LearnedAlpha(Right):
    """F' and x are mixed by a number that is learnt, so that no constant explains either gate."""

    def __init__(self, channels=64):
        super().__init__(channels)
        self.alpha = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        f = (self.alpha * self.mc(x) + 1 - self.alpha) * x
        return self.ms(f) * f


@variant("compose: spatial-first", asked="order=spatial-first")
class SpatialFirst(Right):
    def forward(self, x):
        f = self.ms(x) * x
        return self.mc(f) * f


@variant("compose: parallel", asked="order=parallel")
class Parallel(Right):
    def forward(self, x):
        zs = self.conv(torch.cat(self.planes(x), 1))
        return torch.sigmoid(self.logits(x)[:, :, None, None] + zs) * x


@variant("compose: residual", asked="residual=yes")
class AddedBack(Right):
    def forward(self, x):
        return x + super().forward(x)


@variant("compose: channel-only", asked="order=channel-only")
class ChannelGateAlone(Right):
    def __init__(self, channels=64):
        super().__init__(channels)
        del self.conv

    def forward(self, x):
        return self.mc(x) * x
