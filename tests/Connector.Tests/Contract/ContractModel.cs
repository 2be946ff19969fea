using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests.Contract;

/// <summary>
/// The model that the contract is checked with: one without any training, or the one that <c>KOTONOHA_CONTRACT_MODEL</c> names
/// (<c>scripts/check-contract</c>). Of an untrained model the form of answers is asked, of one that is called able also their content.
/// </summary>
public sealed class ContractModel : IDisposable
{
    private const int MaxOutputTokens = 200;
    private readonly LocalGpt _model;

    public ContractModel()
    {
        _model = Environment.GetEnvironmentVariable("KOTONOHA_CONTRACT_MODEL") is { Length: > 0 } path
            ? LocalGpt.Load(path)
            : TinyGpt.Create(contextLength: 2048);
        IsAble = Environment.GetEnvironmentVariable("KOTONOHA_CONTRACT_ABLE") is "1";
        Embeddings = _model.AsEmbeddingGenerator();
    }

    /// <summary>Whether answers can be expected to be right.</summary>
    public bool IsAble { get; }

    internal IEmbeddingGenerator<string, Embedding<float>> Embeddings { get; }

    /// <summary>A client as an application builds it: with a limit, so that an untrained model ends.</summary>
    internal IChatClient Client => new ChatClientBuilder(new LocalGptChatClient(_model))
        .ConfigureOptions(options => options.MaxOutputTokens ??= MaxOutputTokens)
        .Build();

    public void Dispose()
    {
        Embeddings.Dispose();
        _model.Dispose();
    }
}
