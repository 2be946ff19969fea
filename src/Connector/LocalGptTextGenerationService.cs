using System.Runtime.CompilerServices;
using System.Text;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Services;
using Microsoft.SemanticKernel.TextGeneration;

namespace Kotonoha.Connector;

/// <summary>A local GPT as Semantic Kernel's text generation: it continues the prompt as it stands, without a chat template.</summary>
/// <remarks>
/// Thread-safe. Settings are read as the chat client reads them (<see cref="LocalGptChatClient"/>). Disposing it is not needed: it owns
/// nothing.
/// </remarks>
public sealed class LocalGptTextGenerationService : ITextGenerationService
{
    private readonly LocalGptChatClient _client;

    /// <summary>Makes a view of a loaded model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Receives warnings about settings that are left out; null for none.</param>
    public LocalGptTextGenerationService(LocalGpt model, ILoggerFactory? loggerFactory = null)
        : this(new LocalGptChatClient(model, loggerFactory))
    {
    }

    internal LocalGptTextGenerationService(LocalGptChatClient client)
    {
        _client = client;
        Attributes = new Dictionary<string, object?> { [AIServiceExtensions.ModelIdKey] = client.Metadata.DefaultModelId };
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, object?> Attributes { get; }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<TextContent>> GetTextContentsAsync(
        string prompt, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var text = new StringBuilder();
        GenerationUpdate? last = null;
        await foreach (var update in _client.CompleteAsync(prompt, executionSettings.ToChatOptions(kernel), cancellationToken)
            .ConfigureAwait(false))
        {
            text.Append(update.Text);
            last = update;
        }

        return [new TextContent(text.ToString(), _client.Metadata.DefaultModelId, last, Encoding.UTF8, Metadata(last))];
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StreamingTextContent> GetStreamingTextContentsAsync(
        string prompt,
        PromptExecutionSettings? executionSettings = null,
        Kernel? kernel = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        await foreach (var update in _client.CompleteAsync(prompt, executionSettings.ToChatOptions(kernel), cancellationToken)
            .ConfigureAwait(false))
            yield return new StreamingTextContent(update.Text, choiceIndex: 0, _client.Metadata.DefaultModelId, update, Encoding.UTF8,
                Metadata(update));
    }

    private static Dictionary<string, object?>? Metadata(GenerationUpdate? update)
    {
        if (update is not { FinishReason: { } reason, Usage: { } usage })
            return null;
        var metadata = Usages.Properties(Usages.FinishReason(reason), usage);
        metadata["Usage"] = Usages.Details(usage);
        return metadata;
    }
}
