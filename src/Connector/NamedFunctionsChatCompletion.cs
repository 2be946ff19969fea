using System.Runtime.CompilerServices;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Kotonoha.Connector;

/// <summary>
/// Gives the calls of an answer the names of plugin and function, so that <c>FunctionCallContent.InvokeAsync(kernel)</c> finds them:
/// Semantic Kernel's bridge from <c>IChatClient</c> leaves both in one name, <c>plugin_function</c>.
/// </summary>
/// <param name="inner">The bridge.</param>
internal sealed class NamedFunctionsChatCompletion(IChatCompletionService inner) : IChatCompletionService
{
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, object?> Attributes => inner.Attributes;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
        ChatHistory chatHistory,
        PromptExecutionSettings? executionSettings = null,
        Kernel? kernel = null,
        CancellationToken cancellationToken = default)
    {
        var messages = await inner.GetChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken)
            .ConfigureAwait(false);
        foreach (var message in messages)
            for (int i = 0; kernel is not null && i < message.Items.Count; i++)
                if (message.Items[i] is FunctionCallContent { PluginName: null } call && Find(kernel, call.FunctionName) is { } function)
                    message.Items[i] = new FunctionCallContent(function.Name, function.PluginName, call.Id, call.Arguments)
                    {
                        Exception = call.Exception,
                        InnerContent = call.InnerContent,
                        Metadata = call.Metadata,
                        ModelId = call.ModelId,
                    };
        return messages;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
        ChatHistory chatHistory,
        PromptExecutionSettings? executionSettings = null,
        Kernel? kernel = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var updates = inner.GetStreamingChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken);
        await foreach (var update in updates.ConfigureAwait(false))
        {
            // A FunctionCallContentBuilder takes the names apart at a hyphen.
            for (int i = 0; kernel is not null && i < update.Items.Count; i++)
                if (update.Items[i] is StreamingFunctionCallUpdateContent { Name: { } name } call && Find(kernel, name) is { } function)
                    update.Items[i] = new StreamingFunctionCallUpdateContent(
                        call.CallId, $"{function.PluginName}-{function.Name}", call.Arguments, call.FunctionCallIndex)
                    {
                        ChoiceIndex = call.ChoiceIndex,
                        Metadata = call.Metadata,
                        ModelId = call.ModelId,
                    };
            yield return update;
        }
    }

    private static KernelFunction? Find(Kernel kernel, string name)
        => kernel.Plugins.SelectMany(plugin => plugin).FirstOrDefault(function => $"{function.PluginName}_{function.Name}" == name);
}
