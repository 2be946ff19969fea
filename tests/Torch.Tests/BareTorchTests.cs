using System.Text;
using System.Text.Json.Nodes;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;
using TorchSharp;
using AdamW = TorchSharp.Modules.AdamW;
using Parameter = TorchSharp.Modules.Parameter;

namespace Kotonoha.Torch.Tests;

/// <summary>
/// A run that is saved here goes on with nothing but PyTorch's tensors, autograd and AdamW, and comes back: weights and the optimiser's
/// state are read from the checkpoint's files under their names there, and written into another checkpoint of the same layout.
/// </summary>
public sealed class BareTorchTests
{
    private const int Leaves = 8, Returns = 14, Ends = 20, Context = 32;
    private const double Rate = 1e-3, Decay = 0.1, MaxNorm = 1;

    // As many tokens as one window and the token after it, so that every step reads the same.
    private static readonly byte[] Text = Encoding.ASCII.GetBytes("the kettle sings, the cat sleeps.");

    private static readonly Gpt2Config Config = new() { VocabularySize = 256, ContextLength = Context, Width = 32, Layers = 2, Heads = 4 };

    [Fact]
    public async Task A_run_goes_on_in_bare_torch_and_comes_back()
    {
        using var folder = new TemporaryFolder();
        var (unbroken, want) = await TrainAsync(null, Ends);
        var (losses, _) = await TrainAsync(folder.Path, Leaves);
        losses.AddRange(GoOn(folder.Path, withState: true));
        var (back, got) = await TrainAsync(folder.Path, Ends);
        Assert.Equal(Ends - Returns, back.Count);
        losses.AddRange(back);
        Assert.True(Difference(unbroken, losses) < 1e-4, $"{Difference(unbroken, losses)}");
        Assert.True(Difference(want, got) < 1e-4, $"{Difference(want, got)}");
    }

    [Fact]
    public async Task Without_the_state_the_run_is_another()
    {
        using var folder = new TemporaryFolder();
        var (unbroken, _) = await TrainAsync(null, Returns);
        var (losses, _) = await TrainAsync(folder.Path, Leaves);
        losses.AddRange(GoOn(folder.Path, withState: false));
        Assert.True(Difference(unbroken, losses) > 1e-2, $"{Difference(unbroken, losses)}");
    }

    private static double Difference(IEnumerable<double> a, IEnumerable<double> b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();

    // Here: the losses of the steps that were taken, and the weights.
    private static async Task<(List<double> Losses, double[] Weights)> TrainAsync(string? folder, int steps)
    {
        using var data = TokenDataset.FromBytes(Text, validationFraction: 0);
        using var model = Gpt2.Create(Config, 1);
        var losses = new List<double>();
        await new Trainer(model, new TrainingOptions
        {
            Steps = steps,
            BatchSize = 1,
            Schedule = LearningRateSchedule.Constant(Rate),
            MaxGradientNorm = MaxNorm,
            Optimizer = new AdamWOptions { WeightDecay = Decay },
            Threads = 1,
            Checkpoints = folder is null ? null : new TrainingCheckpoints(folder),
        }).RunAsync(data, new Told(losses));
        return (losses, [.. model.Parameters.SelectMany(p => p.Values.ToArray()).Select(x => (double)x)]);
    }

    // There: from the newest checkpoint to another one.
    private static List<double> GoOn(string folder, bool withState)
    {
        // Loads libtorch where TorchSharp alone cannot; nothing else of the device is used.
        _ = TorchDevice.Cpu();
        using var scope = torch.NewDisposeScope();
        string left = Path.Combine(folder, $"step-{Leaves}"), returned = Path.Combine(folder, $"step-{Returns}");
        var weights = Read(Path.Combine(left, "model.safetensors")).ToDictionary(t => t.Key, t => new Parameter(t.Value));
        var saved = Read(Path.Combine(left, "training", "optimizer.safetensors"));
        Assert.Equal(
            weights.Keys.SelectMany(name => (string[])[$"exp_avg.{name}", $"exp_avg_sq.{name}", $"step.{name}"]).Order(),
            saved.Keys.Order());

        // Matrices decay; biases and norms do not.
        string[] decaying = [.. weights.Keys.Where(name => weights[name].dim() >= 2)], others = [.. weights.Keys.Except(decaying)];
        using var optimizer = torch.optim.AdamW(
            [
                new AdamW.ParamGroup([.. decaying.Select(name => weights[name])], new AdamW.Options { weight_decay = Decay }),
                new AdamW.ParamGroup([.. others.Select(name => weights[name])], new AdamW.Options { weight_decay = 0 }),
            ],
            Rate, beta1: 0.9, beta2: 0.95, eps: 1e-8);
        var states = decaying.Concat(others).Zip(optimizer.state_dict().State.Cast<AdamW.State>()).ToArray();
        if (withState)
            foreach (var (name, state) in states)
            {
                state.step = (long)saved[$"step.{name}"].item<float>();
                state.exp_avg.copy_(saved[$"exp_avg.{name}"]);
                state.exp_avg_sq.copy_(saved[$"exp_avg_sq.{name}"]);
            }

        var ids = torch.tensor(Text.Select(b => (long)b).ToArray());
        var losses = new List<double>();
        for (int step = Leaves; step < Returns; step++)
        {
            using var inner = torch.NewDisposeScope();
            optimizer.zero_grad();
            var loss = torch.nn.functional.cross_entropy(Logits(weights, ids[..Context]), ids[1..]);
            loss.backward();
            torch.nn.utils.clip_grad_norm_(weights.Values, MaxNorm);
            optimizer.step();
            losses.Add(loss.item<float>());
        }

        Copy(left, returned);
        Write(Path.Combine(returned, "model.safetensors"), weights.Select(w => (w.Key, (torch.Tensor)w.Value)));
        Write(Path.Combine(returned, "training", "optimizer.safetensors"), states.SelectMany(s => ((string, torch.Tensor)[])
        [
            ($"step.{s.First}", torch.tensor((float)s.Second.step)), ($"exp_avg.{s.First}", s.Second.exp_avg),
            ($"exp_avg_sq.{s.First}", s.Second.exp_avg_sq),
        ]));
        var standing = Path.Combine(returned, "training", "state.json");
        var json = JsonNode.Parse(File.ReadAllText(standing))!;
        json["step"] = Returns;
        File.WriteAllText(standing, json.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "latest"), $"step-{Returns}");
        return losses;
    }

    // GPT-2 in torch's operations: (time) ids to (time, vocabulary).
    private static torch.Tensor Logits(Dictionary<string, Parameter> weights, torch.Tensor ids)
    {
        const int Heads = 4;
        torch.Tensor W(string name) => weights["transformer." + name];
        torch.Tensor Linear(torch.Tensor x, string name) => torch.matmul(x, W(name + ".weight")) + W(name + ".bias");
        torch.Tensor Norm(torch.Tensor x, string name)
            => torch.nn.functional.layer_norm(x, [x.size(1)], W(name + ".weight"), W(name + ".bias"), 1e-5);
        torch.Tensor Gelu(torch.Tensor x) => 0.5 * x * (1 + torch.tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x.pow(3))));
        long time = ids.size(0);
        var future = torch.ones(time, time).triu(1).to_type(torch.ScalarType.Bool);
        var x = W("wte.weight")[ids] + W("wpe.weight")[..(int)time];
        for (int layer = 0; weights.ContainsKey($"transformer.h.{layer}.ln_1.weight"); layer++)
        {
            // (time, 3 · width) to three of (heads, time, width of a head)
            var parts = Linear(Norm(x, $"h.{layer}.ln_1"), $"h.{layer}.attn.c_attn").view(time, 3, Heads, -1).permute(1, 2, 0, 3);
            var scores = torch.matmul(parts[0], parts[1].transpose(1, 2)) / Math.Sqrt(parts.size(3));
            var seen = torch.matmul(scores.masked_fill(future, double.NegativeInfinity).softmax(-1), parts[2]);
            x += Linear(seen.transpose(0, 1).reshape(time, -1), $"h.{layer}.attn.c_proj");
            x += Linear(Gelu(Linear(Norm(x, $"h.{layer}.ln_2"), $"h.{layer}.mlp.c_fc")), $"h.{layer}.mlp.c_proj");
        }

        return torch.matmul(Norm(x, "ln_f"), W("wte.weight").t());
    }

    private static Dictionary<string, torch.Tensor> Read(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Tensors.ToDictionary(t => t.Name, t => torch.tensor(file.ReadFloats(t.Name)).reshape(t.Shape.ToArray()));
    }

    private static void Write(string path, IEnumerable<(string Name, torch.Tensor Values)> tensors)
    {
        var writer = new SafetensorsWriter();
        foreach (var (name, values) in tensors)
            writer.Add(name, values.detach().data<float>().ToArray(), values.shape);
        writer.Save(path);
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
