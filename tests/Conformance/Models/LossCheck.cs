using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>The cross entropy of the next token, in an inference and in a training pass.</summary>
internal sealed class LossCheck : ICausalModelCheck
{
    private const double RelativeTolerance = 1e-4;
    private const int IgnoredLabel = -100;

    public IEnumerable<string> Fields => ["loss", "b.labels"];

    public void Run(CausalModelFixture fixture, CaseLog log)
    {
        var expected = fixture.Expected.GetProperty("loss");
        int length = checked((int)fixture.Tensors["b.input_ids"].Shape[1]);
        var batch = Batch.Packed(fixture.Tensors.Ids("b.input_ids"), length);
        var targets = Shifted(fixture.Tensors.Ids("b.labels"), length);
        log.Case("loss.counted_targets",
            () => targets.Count(t => t != IgnoredLabel) is var counted && counted == expected.GetProperty("counted_targets").GetInt32()
                ? null
                : $"{counted} counted");
        log.Case("loss.value", () =>
        {
            return Loss(fixture.Session.Begin());
        });
        log.Case("loss.value in a training pass", () =>
        {
            using var session = ComputingDevice.Training(fixture.Model.Parameters);
            return NoDropout(fixture) ? Loss(session.Begin(0)) : null;
        });

        string? Loss(Pass pass)
        {
            var logits = fixture.Model.Logits(pass, fixture.Model.Forward(pass, batch));
            return FixtureTensors.Close(pass.ReadScalar(pass.CrossEntropy(logits, targets)), expected.GetProperty("value").GetDouble(), 0,
                RelativeTolerance);
        }
    }

    /// <summary>Labels moved one place to the left: the target of each position, none for the last of a row.</summary>
    public static int[] Shifted(ReadOnlySpan<int> labels, int length)
    {
        var targets = new int[labels.Length];
        for (int i = 0; i < targets.Length; i++)
            targets[i] = i % length == length - 1 ? IgnoredLabel : labels[i + 1];
        return targets;
    }

    private static bool NoDropout(CausalModelFixture fixture)
        => fixture.Model switch
        {
            LocalModel.Models.Gpt2 { Config: { } config } =>
                (config.AttentionDropout, config.EmbeddingDropout, config.ResidualDropout) == (0, 0, 0),
            LocalModel.Models.Llama { Config: { } config } => config.AttentionDropout == 0,
            LocalModel.Models.Gemma { Config: { } config } => config.AttentionDropout == 0,
            _ => true,
        };
}
