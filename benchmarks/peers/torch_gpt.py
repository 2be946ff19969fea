"""The peer of `benchmarks shakespeare`: the same GPT-2 trained by PyTorch, in blocks of steps on request.

Reads lines from standard input: a number of steps, or nothing to end. After each block it prints the seconds that it took, the processor seconds, and the last loss.
Arguments: FILE VOCABULARY LAYERS HEADS WIDTH CONTEXT BATCH
"""
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

path = sys.argv[1]
vocabulary, layers, heads, width, context, batch = map(int, sys.argv[2:8])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.attn_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.mlp_proj = nn.Linear(4 * width, width)
        self.register_buffer("hidden", torch.triu(torch.ones(context, context, dtype=torch.bool), 1))

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (
            part.view(n, t, heads, width // heads).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(width, dim=2)
        )
        scores = (q @ k.transpose(-2, -1)) * (width // heads) ** -0.5
        weights = F.softmax(scores.masked_fill(self.hidden[:t, :t], float("-inf")), dim=-1)
        x = x + self.attn_proj((weights @ v).transpose(1, 2).reshape(n, t, width))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.ModuleList(Block() for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, 0, 0.02 / (2 * layers) ** 0.5 if name.endswith("_proj.weight") else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, vocabulary), targets.reshape(-1))


torch.manual_seed(1)
torch.set_flush_denormal(True)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
with open(path, "rb") as file:
    text = torch.tensor(list(file.read()), dtype=torch.long)
train = text[: int(0.9 * len(text))]
model = Gpt()
groups = [
    {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
for line in sys.stdin:
    if not line.strip():
        break
    begin, processor = time.perf_counter(), time.process_time()
    for _ in range(int(line)):
        starts = torch.randint(len(train) - context, (batch,))
        ids = torch.stack([train[s : s + context] for s in starts])
        targets = torch.stack([train[s + 1 : s + 1 + context] for s in starts])
        loss = model(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    value = loss.item()
    print(f"{time.perf_counter() - begin} {time.process_time() - processor} {value}", flush=True)
