using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>Logits and hidden states: left-padded prompts as a ragged batch, full rows together, and layer by layer.</summary>
internal sealed class LogitsCheck : ICausalModelCheck
{
    public IEnumerable<string> Fields =>
        ["a.input_ids", "a.attention_mask", "a.position_ids", "a.logits", "a.last_hidden", "b.input_ids", "b.logits", "b.last_hidden",
            "b.hidden_states_0"];

    public void Run(CausalModelFixture fixture, CaseLog log)
    {
        var (rows, starts, width) = fixture.Unpadded("a.input_ids", "a.attention_mask");
        var batch = Batch.Packed(rows);
        log.Case("a.position_ids", () =>
        {
            var positions = Unpad(fixture.Tensors.Ids("a.position_ids"), 1);
            return positions.AsSpan().SequenceEqual(batch.Positions) ? null : "positions of the ragged batch differ";
        });
        var padded = fixture.Forward(batch);
        log.Case("a.last_hidden",
            () => Compare(padded.Hidden, Unpad(fixture.Tensors.ReadFloats("a.last_hidden"), fixture.Model.Width), "b.hidden_states"));
        log.Case("a.logits",
            () => Compare(padded.Logits, Unpad(fixture.Tensors.ReadFloats("a.logits"), fixture.Model.VocabularySize), "a.logits"));
        for (int r = 0; r < rows.Length; r++)
        {
            int row = r;
            log.Case($"a.logits row {row} alone", () =>
            {
                var want = fixture.Tensors.ReadFloats("a.logits")
                    .AsSpan((row * width + starts[row]) * fixture.Model.VocabularySize, rows[row].Length * fixture.Model.VocabularySize);
                return Compare(fixture.Forward(Batch.Packed(rows[row])).Logits, want, "a.logits");
            });
        }

        int length = checked((int)fixture.Tensors["b.input_ids"].Shape[1]);
        var ids = fixture.Tensors.Ids("b.input_ids");
        var full = fixture.Forward(Batch.Packed(ids, length));
        log.Case("b.last_hidden", () => Compare(full.Hidden, fixture.Tensors.ReadFloats("b.last_hidden"), "b.hidden_states"));
        log.Case("b.logits", () => Compare(full.Logits, fixture.Tensors.ReadFloats("b.logits"), "b.logits"));
        if (!ComputingDevice.IsCpu)
            return;
        log.Case("b.hidden_states_0", () =>
        {
            using var backend = new CpuBackend();
            using var pass = new RecordingPass(backend);
            var last = fixture.Model.Forward(pass, Batch.Packed(ids.AsSpan(0, length)));
            return Compare([.. pass.LayerInputs, .. pass.Read(last)], fixture.Tensors.ReadFloats("b.hidden_states_0"), "b.hidden_states");
        });

        string? Compare(ReadOnlySpan<float> got, ReadOnlySpan<float> want, string tolerance)
            => CaseLog.Compare(got, want, fixture.ToleranceOf(tolerance), 0);

        T[] Unpad<T>(T[] values, int columns)
        {
            var kept = new List<T>();
            for (int r = 0; r < rows.Length; r++)
                kept.AddRange(values.AsSpan((r * width + starts[r]) * columns, rows[r].Length * columns));
            return [.. kept];
        }
    }
}
