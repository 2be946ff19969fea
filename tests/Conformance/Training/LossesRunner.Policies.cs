using System.Text.Json;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training.Losses;

namespace Kotonoha.Conformance.Training;

/// <content>Losses of completions with rewards.</content>
internal sealed partial class LossesRunner
{
    // What stands for "no reward function could score this".
    private const float Unscorable = -999;

    private static void Groups(LossFixture f, CaseLog log)
    {
        foreach (var c in f.Description.GetProperty("advantages").EnumerateArray())
        {
            string rewards = c.GetProperty("rewards").GetString()!, scale = c.GetProperty("scale_rewards").GetString()!;
            log.Case($"advantages {rewards} {scale}", () => CaseLog.Compare(
                GroupAdvantages.Normalized(
                    Array.ConvertAll(f.Floats("rewards." + rewards), r => r == Unscorable ? float.NaN : r),
                    c.GetProperty("group_size").GetInt32(),
                    scale switch
                    {
                        "group" => AdvantageScale.Group,
                        "batch" => AdvantageScale.Batch,
                        _ => AdvantageScale.None,
                    }),
                f.Floats($"advantages.{rewards}.{scale}"), Absolute, Relative));
        }

        float[] mask = f.Floats("mask"), advantages = f.Floats("advantages");
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("policy_token_logps"));
            var options = PolicyOptionsOf(c, f);
            var inputs = new PolicyInputs
            {
                Policy = trial.Input,
                Old = c.TryGetProperty("old", out var old) && !old.GetBoolean() ? default : Constant("old_token_logps"),
                Reference = options.KlWeight == 0 ? default : Constant("reference_token_logps"),
                Entropies = Constant("entropies"),
                Advantages = advantages,
                Mask = mask,
            };
            var result = PolicyLosses.Clipped(trial.Pass, in inputs, options);
            var ratio = trial.Pass.Values(result.Ratio);
            bool cispo = options.Surrogate == Surrogate.Cispo;
            var shares = PolicyLosses.Shares(ratio, advantages, mask, 1 - options.ClipLow, (cispo ? 0 : 1) + options.ClipHigh);
            Metrics(c, log, name => name switch
            {
                "clip_ratio/low_mean" => shares.Low,
                "clip_ratio/high_mean" or "cispo_clip_ratio" => shares.High,
                "clip_ratio/region_mean" => shares.Region,
                "clip_ratio/low_min" => shares.LowMin,
                "clip_ratio/high_max" => shares.HighMax,
                "kl" => Mean(result.Kl),
                "entropy" => Mean(inputs.Entropies),
                "policy_loss" => trial.Pass.ReadScalar(result.PolicyLoss),
                "vespo/phi_seq_mean" => trial.Pass.Values(result.SequenceWeights).Average(),
                _ => null,
            });
            Loss(f, c, trial, result.Loss, log);

            Tensor Constant(string name) => trial.Pass.Constant(f.Floats(name), trial.Input.Rows, trial.Input.Columns);

            double Mean(Tensor x) => trial.Pass.ReadScalar(trial.Pass.MaskedMean(x, Constant("mask")));
        }
    }

    private static PolicyOptions PolicyOptionsOf(JsonElement c, LossFixture f)
    {
        var (surrogate, aggregation) = Text(c, "type", "grpo") switch
        {
            "grpo" => (Surrogate.Clip, TokenAggregation.SequenceMean),
            "bnpo" => (Surrogate.Clip, TokenAggregation.TokenMean),
            "dr_grpo" => (Surrogate.Clip, TokenAggregation.FixedLength),
            "dapo" => (Surrogate.Clip, TokenAggregation.BatchTokens),
            "luspo" => (Surrogate.Clip, TokenAggregation.SequenceSum),
            "cispo" => (Surrogate.Cispo, TokenAggregation.BatchTokens),
            "sapo" => (Surrogate.Sapo, TokenAggregation.SequenceMean),
            "vespo" => (Surrogate.Vespo, TokenAggregation.BatchTokens),
            var other => throw new InvalidDataException($"unknown loss '{other}'"),
        };
        return new PolicyOptions
        {
            Surrogate = surrogate,
            Aggregation = aggregation,
            Level = Text(c, "level", "token") == "sequence" ? RatioLevel.SequenceMean : RatioLevel.Token,
            ClipLow = Number(c, "eps_low", 0.2f),
            ClipHigh = Number(c, "eps_high", 0.2f),
            RatioCap = Number(c, "delta", float.PositiveInfinity),
            KlWeight = Number(c, "beta"),
            KlTimesRatio = c.TryGetProperty("bias_kl", out var biased) && biased.GetBoolean(),
            OffPolicyThreshold = c.TryGetProperty("opsm", out var threshold) ? threshold.GetSingle() : null,
            TopEntropyShare = Number(c, "entropy_quantile", 1),
            EntropyBonus = Number(c, "entropy_coef"),
            MaxCompletionLength = f.Description.GetProperty("max_completion_length").GetInt32(),
            BatchTokens = f.Description.GetProperty("num_items_in_batch").GetDouble(),
        };
    }

    private static void LeaveOneOut(LossFixture f, CaseLog log)
    {
        float[] mask = f.Floats("mask"), rewards = f.Floats("rewards"), old = f.Floats("old_token_logps");
        foreach (var c in f.Cases())
        {
            using var trial = new LossTrial(f.Parameter("policy_token_logps"));
            if (!c.TryGetProperty("group_size", out var size))
            {
                log.Case($"{Name(c)} advantages", () => CaseLog.Compare(
                    Array.ConvertAll(rewards, r => r - rewards.Average()), f.Floats("advantages." + Name(c)), Absolute, Relative));
                Loss(f, c, trial, PolicyLosses.Reinforce(trial.Pass, trial.Input, mask, rewards), log);
                continue;
            }

            var bounds = c.GetProperty("reward_clip") is { ValueKind: JsonValueKind.Array } clip
                ? ((float)clip.Numbers()[0], (float)clip.Numbers()[1])
                : ((float, float)?)null;
            var advantages = GroupAdvantages.LeaveOneOut(
                GroupAdvantages.WithKl(rewards, bounds, Number(c, "beta"), old, f.Floats("reference_token_logps"), mask),
                size.GetInt32(), c.GetProperty("normalize_advantages").GetBoolean());
            log.Case($"{Name(c)} advantages",
                () => CaseLog.Compare(advantages, f.Floats("advantages." + Name(c)), Absolute, Relative));
            var options = new PolicyOptions
            {
                Level = RatioLevel.SequenceSum,
                ClipLow = Number(c, "epsilon_low"),
                ClipHigh = Number(c, "epsilon_high"),
            };
            var result = PolicyLosses.Clipped(
                trial.Pass,
                new PolicyInputs
                {
                    Policy = trial.Input,
                    Old = trial.Pass.Constant(old, trial.Input.Rows, trial.Input.Columns),
                    Advantages = advantages,
                    Mask = mask,
                },
                options);
            var shares = PolicyLosses.Shares(
                trial.Pass.Values(result.Ratio), advantages, mask, 1 - options.ClipLow, 1 + options.ClipHigh);
            Metrics(c, log, name => name switch
            {
                "clip_ratio/low_mean" => shares.Low,
                "clip_ratio/high_mean" => shares.High,
                "clip_ratio/region_mean" => shares.Region,
                "clip_ratio/low_min" => shares.LowMin,
                "clip_ratio/high_max" => shares.HighMax,
                _ => null,
            });
            Loss(f, c, trial, result.Loss, log);
        }
    }

    private static void Proximal(LossFixture f, CaseLog log)
    {
        float[] mask = f.Floats("mask"), old = f.Floats("old_token_logps"), reference = f.Floats("reference_token_logps");
        float[] values = f.Floats("new_values"), oldValues = f.Floats("old_values");
        int rows = f.Shape("mask")[0], places = f.Shape("mask")[1];
        foreach (bool keep in (bool[])[false, true])
            log.Case(keep ? "whitened, mean kept" : "whitened", () => Near(
                ProximalPolicy.Whitened(Array.ConvertAll(f.Floats("whiten.in"), v => (double)v), mask, keep),
                Masked(f.Floats(keep ? "whiten.out_keep_mean" : "whiten.out"))));
        foreach (var c in f.Cases())
        {
            var options = new ProximalPolicyOptions
            {
                Discount = c.GetProperty("gamma").GetDouble(),
                Lambda = c.GetProperty("lam").GetDouble(),
                KlWeight = c.GetProperty("kl_coef").GetDouble(),
                UseK3 = Text(c, "kl", "k1") == "k3",
                WhitenRewards = c.GetProperty("whiten_rewards").GetBoolean(),
                WhitenAdvantages = c.GetProperty("whiten_advantages").GetBoolean(),
                Clip = Number(c, "clip"),
                ValueClip = Number(c, "clip_value"),
                ValueWeight = Number(c, "vf_coef"),
                EntropyBonus = Number(c, "ent_coef"),
            };
            var rollout = ProximalPolicy.Evaluate(f.Floats("scores"), old, reference, oldValues, mask, options);
            foreach (var (field, got) in ((string, double[])[])[("rewards", rollout.Rewards), ("advantages", rollout.Advantages),
                ("advantages_used", rollout.UsedAdvantages), ("returns", rollout.Returns)])
                log.Case($"{Name(c)} {field}", () => Near(Masked([.. got.Select(v => (float)v)]).Select(v => (double)v).ToArray(),
                    Masked(f.Floats($"{Name(c)}.{field}"))));

            using var trial = new LossTrial(f.Parameter("logits"), f.Parameter("new_values"));
            var pass = trial.Pass;
            var batch = Batch.Packed(new int[rows * places], places);
            var policy = TokenLogProbabilities.ToRows(
                pass, TokenLogProbabilities.Of(pass, trial.Input, f.File.Ids("actions")), batch);
            var entropies = TokenLogProbabilities.ToRows(pass, TokenLogProbabilities.Entropy(pass, trial.Input), batch);
            var result = ProximalPolicy.Loss(pass, policy, pass.Constant(old, rows, places), entropies, trial.Second,
                pass.Constant(oldValues, rows, places), rollout, mask, options);
            var metrics = ProximalPolicy.Measure(pass.Values(policy), old, values, oldValues, rollout, mask, options);
            double divergence = Enumerable.Range(0, mask.Length).Sum(i => mask[i] * ((double)old[i] - reference[i])) / rows;
            foreach (var (field, tensor) in ((string, Tensor)[])[("loss", result.Loss), ("policy_loss", result.Policy),
                ("value_loss", result.Value), ("entropy", result.Entropy)])
                log.Case($"{Name(c)} {field}",
                    () => FixtureTensors.Close(pass.ReadScalar(tensor), c.GetProperty(field).GetDouble(), Absolute, Relative));
            Metrics(c, log, name => name switch
            {
                "clip_fraction" => metrics.ClippedRatios,
                "value_clip_fraction" => metrics.ClippedValues,
                "approx_kl_k1" => metrics.K1,
                "approx_kl_half_square" => metrics.HalfSquare,
                "approx_kl_k3" => metrics.K3,
                "kl_to_reference_sum_mean" => divergence,
                _ => null,
            });
            log.Case($"{Name(c)} grad_logits",
                () => trial.GradientDiffers(result.Loss, f.Floats(Name(c) + ".grad_logits"), Absolute, Relative));
            log.Case($"{Name(c)} grad_values",
                () => CaseLog.Compare(trial.SecondGradient(), f.Floats(Name(c) + ".grad_values"), Absolute, Relative));
        }

        // What lies outside the mask has no meaning.
        float[] Masked(float[] numbers) => [.. numbers.Select((v, i) => mask[i] == 0 ? 0 : v)];

        static string? Near(double[] got, float[] want)
            => CaseLog.Compare([.. got.Select(v => (float)v)], want, Absolute, Relative);
    }
}
