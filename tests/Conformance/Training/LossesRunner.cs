using System.Text.Json;
using Kotonoha.Conformance.Models;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.Conformance.Training;

/// <summary>Preference, policy and distillation losses of given log-probabilities. Each kind is known by its fields and tensors.</summary>
internal sealed partial class LossesRunner : FixtureRunner
{
    private const double Absolute = 1e-5;
    private const double Relative = 1e-4;

    private delegate void Check(LossFixture fixture, CaseLog log);

    public override IEnumerable<string> Discover(string root)
    {
        foreach (var path in Directory.EnumerateFiles(root, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            if (KindOf(path) is not null)
                yield return Path.GetRelativePath(root, File.Exists(Description(path)) ? Description(path) : path).Replace('\\', '/');
    }

    public override void Run(string root, string family, CaseLog log)
    {
        var path = Path.ChangeExtension(Path.Combine(root, family), ".safetensors");
        using var fixture = new LossFixture(path, Description(path));
        KindOf(path)!(fixture, log);
    }

    private static string Description(string path) => Path.ChangeExtension(path, ".json");

    private static Check? KindOf(string path)
    {
        SafetensorsFile? file = null;
        try
        {
            file = SafetensorsFile.Open(path);
            bool Has(params string[] names) => names.All(name => file.TryGet(name, out _));
            return Has("upstream", "sequence_sum") ? Gather
                : !File.Exists(Description(path)) ? null
                : Has("student", "teacher", "labels") ? JensenShannon
                : Has("completion_mask", "log_sum_sq_probs", "policy_token_logps") ? Pairs
                : Has("completion_mask", "kl_policy_logps", "label") ? Unpaired
                : Has("chosen_sum_logps", "rejected_mean_logps") ? ReferenceFree
                : Has("rewards", "margin") ? BradleyTerry
                : Has("entropies", "old_token_logps", "advantages") ? Groups
                : Has("old_values", "new_values", "scores") ? Proximal
                : Has("rewards", "old_token_logps", "advantages.rloo") ? LeaveOneOut
                : null;
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or Foundation.KotonohaException)
        {
            // A broken file is some other runner's fixture.
            return null;
        }
        finally
        {
            file?.Dispose();
        }
    }

    private static void Gather(LossFixture f, CaseLog log)
    {
        // An offset of 500 costs single precision some digits.
        const double tolerance = 1e-4;
        using var trial = new LossTrial(f.Parameter("logits"));
        var index = f.File.Ids("index");
        var logits = trial.Input;
        int places = f.Shape("logits")[1];
        var logps = TokenLogProbabilities.Of(trial.Pass, logits, index);
        log.Case("logps", () => trial.Differs(logps, f.Floats("logps"), tolerance, tolerance));
        log.Case("logps_temperature_0.7", () => trial.Differs(
            TokenLogProbabilities.Of(trial.Pass, logits, index, 0.7f), f.Floats("logps_temperature_0.7"), tolerance, tolerance));
        log.Case("entropy",
            () => trial.Differs(TokenLogProbabilities.Entropy(trial.Pass, logits), f.Floats("entropy"), tolerance, tolerance));
        var targets = LossCheck.Shifted(f.File.Ids("labels"), places);
        var mask = trial.Pass.Constant(Array.ConvertAll(targets, t => t == CrossEntropyOptions.DefaultIgnoreIndex ? 0f : 1f),
            targets.Length / places, places);
        var rows = TokenLogProbabilities.ToRows(
            trial.Pass, TokenLogProbabilities.Of(trial.Pass, logits, targets), Batch.Packed(new int[targets.Length], places));
        log.Case("sequence_sum", () => trial.Differs(
            TokenLogProbabilities.SequenceSum(trial.Pass, rows, mask), f.Floats("sequence_sum"), tolerance, tolerance));
        log.Case("sequence_mean", () => trial.Differs(
            TokenLogProbabilities.SequenceMean(trial.Pass, rows, mask), f.Floats("sequence_mean"), tolerance, tolerance));
        log.Case("grad_logits", () => trial.GradientDiffers(
            trial.Pass.Sum(trial.Pass.Multiply(logps, trial.Pass.Column(f.Floats("upstream")))), f.Floats("grad_logits"), tolerance,
            tolerance));
    }

    private static void JensenShannon(LossFixture f, CaseLog log)
    {
        int width = f.Shape("student")[2];
        int[] labels = f.File.Ids("labels"), kept = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i] != -100)];
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("student"));
            var teacher = trial.Pass.Constant(f.Floats("teacher"), labels.Length, width);
            var loss = DistillationLosses.JensenShannon(
                trial.Pass, trial.Pass.SelectRows(trial.Input, kept), trial.Pass.SelectRows(teacher, kept), Number(c, "beta"),
                Number(c, "temperature"));
            Loss(f, c, trial, loss, log);
        }
    }

    private static void Pairs(LossFixture f, CaseLog log)
    {
        int rows = f.Shape("policy_token_logps")[0], places = f.Shape("policy_token_logps")[1];
        var mask = f.ShiftedMask("completion_mask");
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("policy_token_logps"));
            var kinds = c.GetProperty("types").EnumerateArray().Select(t => PreferenceKind(t.GetString()!)).ToArray();
            var weights = c.TryGetProperty("weights", out var given) ? given.Numbers() : [.. kinds.Select(_ => 1.0)];
            var options = new PreferenceOptions
            {
                Terms = [.. kinds.Zip(weights, (kind, weight) => (kind, (float)weight))],
                Beta = Number(c, "beta"),
                LabelSmoothing = Number(c, "label_smoothing"),
                LengthAlpha = Number(c, "ld_alpha", 1),
                DivergenceAlpha = Number(c, "f_alpha", 0.5f),
                Divergence = !c.TryGetProperty("f_divergence", out var divergence) ? ReferenceDivergence.ReverseKl
                    : divergence.GetString() switch
                    {
                        "forward_kl" => ReferenceDivergence.ForwardKl,
                        "js_divergence" => ReferenceDivergence.JensenShannon,
                        "alpha_divergence" => ReferenceDivergence.Alpha,
                        var other => throw new InvalidDataException($"unknown divergence '{other}'"),
                    },
            };
            var result = PreferenceLosses.Pairs(
                trial.Pass,
                new PreferenceInputs
                {
                    Policy = trial.Input,
                    Reference = trial.Pass.Column(f.Floats("reference_logps")),
                    Mask = mask,
                    LogSumOfSquares = c.TryGetProperty("use_weighting", out var weighted) && weighted.GetBoolean()
                        ? trial.Pass.Constant(f.Floats("log_sum_sq_probs"), rows, places)
                        : default,
                },
                options);
            var rewards = result.Rewards(trial.Pass);
            double beta = options.Beta;
            float[] reference = f.Floats("reference_logps");
            Metrics(c, log, name => name switch
            {
                "rewards/chosen" => rewards.Chosen,
                "rewards/rejected" => rewards.Rejected,
                "rewards/margins" => rewards.Margin,
                "rewards/accuracies" => rewards.Accuracy,
                "logps/chosen" => rewards.Chosen / beta + reference[..(rows / 2)].Average(),
                "logps/rejected" => rewards.Rejected / beta + reference[(rows / 2)..].Average(),
                _ => null,
            });
            Loss(f, c, trial, result.Loss, log);
        }
    }

    private static PreferenceLoss PreferenceKind(string name) => name switch
    {
        "sigmoid" => PreferenceLoss.Sigmoid,
        "hinge" => PreferenceLoss.Hinge,
        "ipo" => PreferenceLoss.Ipo,
        "robust" => PreferenceLoss.Robust,
        "conservative_sigmoid" => PreferenceLoss.Conservative,
        "exo_pair" => PreferenceLoss.ExoPair,
        "nca_pair" => PreferenceLoss.NcaPair,
        "bco_pair" => PreferenceLoss.BcoPair,
        "sppo_hard" => PreferenceLoss.SppoHard,
        "aot" => PreferenceLoss.Aot,
        "aot_unpaired" => PreferenceLoss.AotUnpaired,
        "apo_zero" => PreferenceLoss.ApoZero,
        "apo_down" => PreferenceLoss.ApoDown,
        "discopop" => PreferenceLoss.DiscoPop,
        "sigmoid_norm" => PreferenceLoss.SigmoidNorm,
        "sft" => PreferenceLoss.Sft,
        _ => throw new InvalidDataException($"unknown loss '{name}'"),
    };

    private static void Unpaired(LossFixture f, CaseLog log)
    {
        var mask = f.ShiftedMask("completion_mask");
        float[] policySums = f.Floats("policy_logps");
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("policy_token_logps"));
            bool[] labels = [.. f.File.Ids("label").Select(label => Text(c, "labels", "mixed") switch
            {
                "all-chosen" => true,
                "all-rejected" => false,
                _ => label == 1,
            })];
            double kl = Text(c, "type", "kto") == "apo_zero_unpaired"
                ? 0
                : PreferenceLosses.KlEstimate(
                    f.Floats("kl_policy_logps"), f.Floats("kl_reference_logps." + Text(c, "kl_sign", "positive")));
            var sums = TokenLogProbabilities.SequenceSum(
                trial.Pass, trial.Input, trial.Pass.Constant(mask, trial.Input.Rows, trial.Input.Columns));
            var (loss, rewards) = PreferenceLosses.Unpaired(
                trial.Pass, sums, trial.Pass.Column(f.Floats("reference_logps")), labels, kl, Number(c, "beta"), Number(c, "wd", 1),
                Number(c, "wu", 1));
            var values = trial.Pass.Values(rewards);
            Metrics(c, log, name => name switch
            {
                "kl" => kl,
                "rewards/chosen" => Mean(values, true),
                "rewards/rejected" => Mean(values, false),
                "rewards/margins" => Mean(values, true) - Mean(values, false),
                "logps/chosen" => Mean(policySums, true),
                "logps/rejected" => Mean(policySums, false),
                _ => null,
            });
            Loss(f, c, trial, loss, log);

            double Mean(float[] numbers, bool label) => numbers.Where((_, i) => labels[i] == label).Average();
        }
    }

    private static void ReferenceFree(LossFixture f, CaseLog log)
    {
        float nll = f.Floats("chosen_nll")[0];
        foreach (var c in f.Cases())
        {
            var inputs = Text(c, "inputs", "sum");
            float[] values = [.. f.Floats($"chosen_{inputs}_logps"), .. f.Floats($"rejected_{inputs}_logps")];
            using var trial = new LossTrial(f.Parameter("inputs", [2, values.Length / 2], values));
            var pass = trial.Pass;
            var both = pass.Reshape(trial.Input, values.Length, 1);
            Tensor chosen = pass.Rows(both, 0, values.Length / 2), rejected = pass.Rows(both, values.Length / 2, values.Length / 2);
            float beta = Number(c, "beta");
            Tensor losses, loss, ratio = default;
            Tensor chosenRewards = pass.Scale(chosen, beta), rejectedRewards = pass.Scale(rejected, beta);
            if (Text(c, "loss_type", "") == "orpo")
            {
                (var logSigmoid, ratio) = ReferenceFreeLosses.OddsRatio(pass, chosen, rejected);
                losses = pass.Scale(logSigmoid, beta);
                loss = pass.Affine(pass.Mean(losses), -1, nll);
            }
            else
            {
                (losses, chosenRewards, rejectedRewards) = ReferenceFreeLosses.Pairs(pass, chosen, rejected, new ReferenceFreeOptions
                {
                    Loss = Text(c, "loss_type", "") switch
                    {
                        "sigmoid" => ReferenceFreeLoss.Sigmoid,
                        "hinge" => ReferenceFreeLoss.Hinge,
                        "ipo" => ReferenceFreeLoss.Ipo,
                        "simpo" => ReferenceFreeLoss.SimPo,
                        var other => throw new InvalidDataException($"unknown loss '{other}'"),
                    },
                    Beta = beta,
                    LabelSmoothing = Number(c, "label_smoothing"),
                    Gamma = Number(c, "gamma"),
                    Alpha = Number(c, "alpha"),
                });
                loss = pass.Mean(losses);
                log.Case($"{Name(c)} loss_plus_nll_alpha_1", () => FixtureTensors.Close(
                    pass.ReadScalar(loss) + nll, c.GetProperty("loss_plus_nll_alpha_1").GetDouble(), Absolute, Relative));
            }

            log.Case($"{Name(c)} losses", () => trial.Differs(losses, f.Floats("losses." + Name(c)), Absolute, Relative));
            var rewards = new PreferenceResult(loss, chosenRewards, rejectedRewards).Rewards(pass);
            Metrics(c, log, name => name switch
            {
                "rewards/chosen" => rewards.Chosen,
                "rewards/rejected" => rewards.Rejected,
                "rewards/margins" => rewards.Margin,
                "rewards/accuracies" => rewards.Accuracy,
                "log_odds_ratio" => pass.Values(losses).Average(v => v / (double)beta),
                "log_odds_chosen" => pass.Values(ratio).Average(v => (double)v),
                _ => null,
            });
            Loss(f, c, trial, loss, log);
        }
    }

    private static void BradleyTerry(LossFixture f, CaseLog log)
    {
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("rewards"));
            var pass = trial.Pass;
            int pairs = (int)trial.Input.Length / 2;
            var column = pass.Reshape(trial.Input, 2 * pairs, 1);
            Tensor chosen = pass.Rows(column, 0, pairs), rejected = pass.Rows(column, pairs, pairs);
            var loss = ReferenceFreeLosses.BradleyTerry(
                pass, chosen, rejected, c.GetProperty("use_margin").GetBoolean() ? f.Floats("margin") : [],
                c.GetProperty("center_coefficient") is { ValueKind: JsonValueKind.Number } number ? number.GetSingle() : 0);
            var rewards = new PreferenceResult(loss, chosen, rejected).Rewards(pass);
            float[] all = f.Floats("rewards");
            Metrics(c, log, name => name switch
            {
                "accuracy" => rewards.Accuracy,
                "margin" => rewards.Margin,
                "mean_reward" => (rewards.Chosen + rewards.Rejected) / 2,
                "min_reward" => all.Min(),
                "max_reward" => all.Max(),
                _ => null,
            });
            Loss(f, c, trial, loss, log);
        }
    }

    private static void Metrics(JsonElement c, CaseLog log, Func<string, double?> metric)
    {
        if (!c.TryGetProperty("metrics", out var metrics))
            return;
        foreach (var expected in metrics.EnumerateObject())
        {
            var got = metric(expected.Name);
            log.Case($"{Name(c)} {expected.Name}", () => got is { } value
                ? FixtureTensors.Close(value, expected.Value.GetDouble(), Absolute, Relative)
                : "this metric is not computed");
        }
    }

    private static void Loss(LossFixture f, JsonElement c, LossTrial trial, Tensor loss, CaseLog log)
    {
        double value = trial.Pass.ReadScalar(loss);
        log.Case($"{Name(c)} loss", () => FixtureTensors.Close(value, c.GetProperty("loss").GetDouble(), Absolute, Relative));
        log.Case($"{Name(c)} gradient",
            () => trial.GradientDiffers(loss, f.Floats("grad." + Name(c)), Absolute, Relative));
    }

    private static string Name(JsonElement c) => c.GetProperty("name").GetString()!;

    private static string Text(JsonElement c, string field, string otherwise)
        => c.TryGetProperty(field, out var value) ? value.GetString()! : otherwise;

    private static float Number(JsonElement c, string field, float otherwise = 0)
        => c.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetSingle() : otherwise;
}
