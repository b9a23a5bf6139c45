"""One network and one seed, in plain loops over samples and parameters: what every strategy is compared with."""

__all__ = ["PLAIN", "Plain"]

import copy
import math

import torch

from tasks.sampling import generators_from

DOUBLE = torch.float64


class Plain:
    """Fine-tuning of an MLP of silu units by gradient descent or Adam; subclasses are strategies."""

    def __init__(self, weights, biases, tasks, seed, classifies=False, lr=0.05, adam=False) -> None:
        self.weights, self.biases = weights, biases
        self.tasks, self.seed, self.classifies = tasks, seed, classifies
        self.lr, self.adam = lr, adam
        for each in self.parameters:
            each.requires_grad_()

    @property
    def parameters(self):
        return [*self.weights, *self.biases]

    def vector(self):
        return torch.cat([each.detach().flatten() for each in self.parameters])

    def hidden(self, x):
        found = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = x @ weight + bias
            x = z * torch.sigmoid(z)
            found.append(x)
        return found

    def predict(self, x):
        return self.hidden(x)[-1] @ self.weights[-1] + self.biases[-1]

    def loss(self, x, y):
        total, count = 0.0, 0
        for own in (~y.isnan()).unique(dim=0):  # the samples of each task among them
            rows = ((~y.isnan()) == own).all(dim=1)
            f, wanted = self.predict(x[rows])[:, own], y[rows][:, own]
            if self.classifies:
                p = f.exp() / f.exp().sum(dim=1, keepdim=True)
                total, count = total - (wanted * p.log()).sum(), count + len(f)
            else:
                total, count = total + ((f - wanted) ** 2).sum(), count + f.numel()
        return total / count

    def gradient(self, value):
        return list(torch.autograd.grad(value, self.parameters, retain_graph=True))

    def flat(self, grads):
        return torch.cat([each.flatten() for each in grads])

    def shaped(self, vector):
        found = []
        for each in self.parameters:
            found.append(vector[: each.numel()].view(each.shape))
            vector = vector[each.numel() :]
        return found

    def generator(self, stream):
        (batches,) = generators_from([self.seed], "batches")
        return generators_from([batches.initial_seed()], stream)[0]

    # what a strategy does

    def start(self):
        pass

    def before_task(self, index):
        pass

    def data(self, index):
        return self.tasks[index]

    def before_step(self, index, step):
        pass

    def step_data(self, x, y):
        return x, y

    def added(self, x):
        return 0.0

    def changed(self, grads):
        return grads

    def after_step(self, x, y):
        pass

    def after_task(self, x, y):
        pass

    def train(self, steps):
        self.start()
        for index in range(len(self.tasks)):
            self.before_task(index)
            x, y = self.data(index)
            self.moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in self.parameters]
            for step in range(steps):
                self.before_step(index, step)
                x_step, y_step = self.step_data(x, y)
                self.value = self.loss(x_step, y_step)
                grads = self.changed(self.gradient(self.value + self.added(x_step)))
                with torch.no_grad():
                    for number, (each, grad) in enumerate(zip(self.parameters, grads, strict=True)):
                        if self.adam:
                            first, second = self.moments[number]
                            first.mul_(0.9).add_(0.1 * grad)
                            second.mul_(0.999).add_(0.001 * grad**2)
                            mean = first / (1.0 - 0.9 ** (step + 1))
                            each -= self.lr * mean / ((second / (1.0 - 0.999 ** (step + 1))).sqrt() + 1e-8)
                        else:
                            each -= self.lr * grad
                self.after_step(x, y)
            self.after_task(*self.tasks[index])
        return self


class Joint(Plain):
    def data(self, index):
        return torch.cat([x for x, _ in self.tasks]), torch.cat([y for _, y in self.tasks])


class Independent(Plain):
    def start(self):
        self.initial = [each.detach().clone() for each in self.parameters]

    def before_task(self, index):
        with torch.no_grad():
            for each, value in zip(self.parameters, self.initial, strict=True):
                each.copy_(value)


class Memory(Plain):
    size, stream = 15, ""

    def start(self):
        self.kept, self.seen, self.random = [], 0, self.generator(self.stream)

    def remember(self, rows):
        late = max(0, self.seen + len(rows) - max(self.size, self.seen))
        draws = iter(torch.rand(late, generator=self.random, dtype=DOUBLE).tolist())
        for row in rows:
            if self.seen < self.size:
                self.kept.append(row)
            else:
                place = math.floor(next(draws) * (self.seen + 1))
                if place < self.size:
                    self.kept[place] = row
            self.seen += 1

    def recall(self, count):
        if count >= len(self.kept):
            chosen = list(range(len(self.kept)))
        else:
            chosen = torch.randperm(len(self.kept), generator=self.random)[:count].tolist()
        return [torch.stack(column) for column in zip(*(self.kept[each] for each in chosen), strict=True)]

    def after_task(self, x, y):
        self.remember(list(zip(x, y, strict=True)))


class Replay(Memory):
    stream = "replay"

    def step_data(self, x, y):
        if not self.kept:
            return x, y
        old_x, old_y = self.recall(round(len(x) * 0.3 / 0.7))
        return torch.cat([old_x, x]), torch.cat([old_y, y])


class DERPP(Memory):
    stream = "derpp"

    def step_data(self, x, y):
        self.seen_as = self.predict(x).detach()
        self.drawn = [self.recall(len(x)) for _ in range(2)] if self.kept else None
        return x, y

    def added(self, x):
        if self.drawn is None:
            return 0.0
        (x1, y1, z1), (x2, y2, _) = self.drawn
        own = ~y1.isnan()
        return 0.5 * ((self.predict(x1)[own] - z1[own]) ** 2).mean() + 0.5 * self.loss(x2, y2)

    def after_step(self, x, y):
        self.remember(list(zip(x, y, self.seen_as, strict=True)))

    def after_task(self, x, y):
        pass


class AGEM(Memory):
    stream = "agem"

    def step_data(self, x, y):
        self.drawn = self.recall(6) if self.kept else None
        return x, y

    def changed(self, grads):
        if self.drawn is None:
            return grads
        g, r = self.flat(grads), self.flat(self.gradient(self.loss(*self.drawn)))
        return self.shaped(g - (g @ r) / (r @ r) * r) if g @ r < 0 else grads


class OGD(Plain):
    samples = 2

    def start(self):
        self.stored, self.random = [], self.generator("ogd")

    def changed(self, grads):
        if not self.stored:
            return grads
        # the part outside of the span, by least squares instead of an orthonormal basis
        g, span = self.flat(grads), torch.stack(self.stored, dim=1)
        left, sizes, _ = torch.linalg.svd(span, full_matrices=False)
        left = left[:, sizes > 1e-13 * sizes[0]]
        return self.shaped(g - left @ (left.mT @ g))

    def after_task(self, x, y):
        for each in torch.randperm(len(x), generator=self.random)[: self.samples].tolist():
            for output in torch.where(~y[each].isnan())[0].tolist():
                self.stored.append(self.flat(self.gradient(self.predict(x[each])[output])))


class Pull(Plain):
    weight = 0.0

    def start(self):
        self.omega, self.anchor = torch.zeros_like(self.vector()), self.vector()

    def added(self, x):
        now = torch.cat([each.flatten() for each in self.parameters])
        return self.weight * (self.omega * (now - self.anchor) ** 2).sum()


class SI(Pull):
    weight = 5.0

    def before_task(self, index):
        self.begin, self.path = self.vector(), torch.zeros_like(self.omega)

    def changed(self, grads):
        self.was, self.pure = self.vector(), self.flat(self.gradient(self.value))
        return grads

    def after_step(self, x, y):
        self.path -= self.pure * (self.vector() - self.was)

    def after_task(self, x, y):
        gained = self.path / ((self.vector() - self.begin) ** 2 + 0.1)
        self.omega, self.anchor = torch.relu(self.omega + gained), self.vector()


class MAS(Pull):
    weight = 0.5

    def start(self):
        super().start()
        self.random = self.generator("mas")

    def after_task(self, x, y):
        chosen = torch.randperm(len(x), generator=self.random)[:6].tolist()
        for each in chosen:
            f = self.predict(x[each])[~y[each].isnan()]
            self.omega = self.omega + self.flat(self.gradient((f**2).sum())).abs() / len(chosen)
        self.anchor = self.vector()


class LwF(Plain):
    def start(self):
        self.old, self.heads = None, []

    def added(self, x):
        if self.old is None:
            return 0.0
        f, wanted = self.predict(x), self.old.predict(x).detach()
        if not self.classifies:
            learned = sorted({column for head in self.heads for column in head})
            return ((f[:, learned] - wanted[:, learned]) ** 2).mean()
        total = 0.0
        for head in self.heads:
            for mine, his in zip(f[:, head], wanted[:, head], strict=True):
                p, q = (mine / 2.0).exp(), (his / 2.0).exp()
                total = total - (q / q.sum() * (p / p.sum()).log()).sum() / len(x)
        return total

    def after_task(self, x, y):
        head = torch.where(~y[0].isnan())[0].tolist()
        if head not in self.heads:
            self.heads.append(head)
        self.old = Plain(copy.deepcopy(self.weights), copy.deepcopy(self.biases), [], 0)


class L2(Pull):
    weight = 0.01

    def start(self):
        self.omega, self.anchor = torch.ones_like(self.vector()), torch.zeros_like(self.vector())


class L2Init(L2):
    def start(self):
        super().start()
        self.anchor = self.vector()


class L2Last(Pull):
    weight = 0.1

    def after_task(self, x, y):
        self.omega, self.anchor = torch.ones_like(self.omega), self.vector()


class ShrinkPerturb(Plain):
    def start(self):
        self.random, self.total = self.generator("shrink_perturb"), 0

    def before_step(self, index, step):
        if self.total > 0 and (step == 0 or self.total % 4 == 0):
            with torch.no_grad():
                for each in self.parameters:
                    noise = torch.randn(each.shape, generator=self.random, dtype=DOUBLE)
                    each.copy_(0.5 * each + 0.01 * noise)
        self.total += 1


class ContinualBackprop(Plain):
    rate, maturity = 0.05, 3

    def start(self):
        self.random, self.began = self.generator("continual_backprop"), 0
        self.units = [[[0.0, 0] for _ in range(bias.numel())] for bias in self.biases[:-1]]
        self.due = [0.0 for _ in self.units]

    def before_step(self, index, step):
        for layer, units in enumerate(self.units):
            mature = [number for number, (_, age) in enumerate(units) if age > self.maturity]
            self.due[layer] += self.rate * len(mature)
            order = sorted(mature, key=lambda number, units=units: units[number][0] / (1.0 - 0.99 ** units[number][1]))
            chosen = sorted(order[: math.floor(self.due[layer])])
            self.due[layer] -= math.floor(self.due[layer])
            if not chosen:
                continue
            rows = self.weights[layer].shape[0]
            drawn = (2.0 * torch.rand((rows, len(chosen)), generator=self.random, dtype=DOUBLE) - 1.0) / rows**0.5
            self.began += len(chosen)
            with torch.no_grad():
                for column, unit in enumerate(chosen):
                    units[unit][:] = [0.0, 0]
                    self.weights[layer][:, unit] = drawn[:, column]
                    self.biases[layer][unit] = 0.0
                    self.weights[layer + 1][unit] = 0.0
                    incoming, bias = layer, len(self.weights) + layer
                    for moment in (0, 1):
                        self.moments[incoming][moment][:, unit] = 0.0
                        self.moments[bias][moment][unit] = 0.0
                        self.moments[layer + 1][moment][unit] = 0.0

    def step_data(self, x, y):
        self.values = [each.detach().abs().mean(dim=0) for each in self.hidden(x)]
        return x, y

    def after_step(self, x, y):
        for layer, units in enumerate(self.units):
            for number, unit in enumerate(units):
                worth = float(self.values[layer][number] * self.weights[layer + 1][number].detach().abs().sum())
                unit[0] = 0.99 * unit[0] + 0.01 * worth
                unit[1] += 1


PLAIN = {
    "joint": Joint,
    "independent": Independent,
    "replay": Replay,
    "derpp": DERPP,
    "agem": AGEM,
    "ogd": OGD,
    "si": SI,
    "mas": MAS,
    "lwf": LwF,
    "l2": L2,
    "l2 init": L2Init,
    "l2 last": L2Last,
    "shrink perturb": ShrinkPerturb,
    "continual backprop": ContinualBackprop,
}
