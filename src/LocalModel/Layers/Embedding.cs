using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>A table of vectors by number: of tokens, positions or token types.</summary>
/// <param name="Table">[rows, width].</param>
internal sealed record Embedding(Parameter Table)
{
    /// <summary>(ids) -> (ids, width).</summary>
    public Tensor Forward(Pass pass, ReadOnlySpan<int> ids) => pass.Embedding(Table, ids);
}
