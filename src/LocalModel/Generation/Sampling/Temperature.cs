namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Divides every logit by the temperature: below 1 the distribution sharpens, above 1 it flattens.</summary>
internal sealed class Temperature(float value) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        for (int id = 0; id < logits.Length; id++)
            logits[id] /= value;
    }
}
