using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>The log-probabilities of a continuation after a prompt.</summary>
internal sealed class SequenceLogProbabilityCheck : ICausalModelCheck
{
    private const double Tolerance = 1e-3;

    public IEnumerable<string> Fields => ["sequence_logprobs"];

    public void Run(CausalModelFixture fixture, CaseLog log)
    {
        int number = 0;
        foreach (var item in fixture.Expected.GetProperty("sequence_logprobs").EnumerateArray())
            log.Case($"sequence_logprobs {number++}", () =>
            {
                int[] prompt = item.GetProperty("prompt").Ids(), continuation = item.GetProperty("continuation").Ids();
                var pass = fixture.Session.Begin();

                // The last token of the continuation is only predicted, never read.
                var hidden = fixture.Model.Forward(pass, Batch.Packed([.. prompt, .. continuation[..^1]]));
                var rows = Enumerable.Range(prompt.Length - 1, continuation.Length).ToArray();
                var logits = fixture.Model.Logits(pass, pass.SelectRows(hidden, rows));
                var picked = pass.Read(pass.PickColumns(pass.LogSoftmax(logits), continuation)).ToArray();
                var want = item.GetProperty("token_logprobs").Numbers();
                for (int i = 0; i < want.Length; i++)
                    if (FixtureTensors.Close(picked[i], want[i], Tolerance, 0) is { } difference)
                        return $"token {i}: {difference}";
                return FixtureTensors.Close(picked.Sum(p => (double)p), item.GetProperty("sum_logprob").GetDouble(),
                    Tolerance * want.Length, 0);
            });
    }
}
