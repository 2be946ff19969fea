using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>
/// A real model whose every step waits for a permit, so that a test decides how far the engine gets. It owns the inner model.
/// </summary>
internal sealed class SteppedModel(CausalModel inner) : CausalModel
{
    /// <summary>More steps than any test runs: given at the end, so that the engine's thread can be joined.</summary>
    public const int AllSteps = 100_000;

    public SemaphoreSlim Permits { get; } = new(0);

    internal override IReadOnlyList<Parameter> Parameters => inner.Parameters;

    public override int VocabularySize => inner.VocabularySize;

    public override int ContextLength => inner.ContextLength;

    public override int Width => inner.Width;

    internal override Tensor Forward(Pass pass, Batch batch)
    {
        Permits.Wait();
        return inner.Forward(pass, batch);
    }

    internal override Tensor FinalNorm(Pass pass, Tensor hidden) => inner.FinalNorm(pass, hidden);

    internal override Tensor Logits(Pass pass, Tensor hidden) => inner.Logits(pass, hidden);

    internal override KvShape CacheShape => inner.CacheShape;
}
