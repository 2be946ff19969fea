namespace Kotonoha.Tokenizers;

/// <summary>What a tokenizer is made of, in the order of the pipeline.</summary>
internal sealed record TokenizerParts
{
    public INormalizer? Normalizer { get; init; }

    public IPreTokenizer? PreTokenizer { get; init; }

    public required ITokenModel Model { get; init; }

    public IPostProcessor? PostProcessor { get; init; }

    public ITokenDecoder? Decoder { get; init; }

    public TruncationOptions? Truncation { get; init; }

    public PaddingOptions? Padding { get; init; }

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];
}
