using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.Conformance.Models;

/// <summary>Without its least important tensor the model gives other logits, so that a loader that skips a tensor is found out.</summary>
internal sealed class WeakestTensorCheck : ICausalModelCheck
{
    public IEnumerable<string> Fields => ["weakest_tensor"];

    public void Run(CausalModelFixture fixture, CaseLog log) => log.Case("weakest_tensor", () =>
    {
        var weakest = fixture.Expected.GetProperty("weakest_tensor");
        var name = weakest.GetProperty("name").GetString();
        var parameter = fixture.Model.Parameters.FirstOrDefault(p => p.Name == name);
        if (parameter is null)
            return $"the model has no parameter '{name}'";
        var batch = Batch.Packed(fixture.Tensors.Ids("b.input_ids").AsSpan(0, checked((int)fixture.Tensors["b.input_ids"].Shape[1])));
        var whole = fixture.Forward(batch).Logits;
        var kept = parameter.Values.ToArray();
        bool norm = parameter.Shape.Length == 1 && parameter.Name.EndsWith(".weight", StringComparison.Ordinal);
        parameter.Values.Fill(norm ? 1 : 0);
        var without = fixture.Forward(batch).Logits;
        kept.CopyTo(parameter.Values);
        double change = 0;
        for (int i = 0; i < whole.Length; i++)
            change = Math.Max(change, Math.Abs(whole[i] - without[i]));
        return FixtureTensors.Close(change, weakest.GetProperty("logit_change_when_removed").GetDouble(),
            2 * fixture.ToleranceOf("b.logits"), 0);
    });
}
