using System.Text.Json;
using Kotonoha.LocalModel.Chat;

namespace Kotonoha.Cli.Lines;

/// <summary><c>kotonoha template</c>: {messages, tools?, add_generation_prompt?} → {text}.</summary>
internal sealed class TemplateLines(ChatTemplate template) : ILineHandler
{
    public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var messages = Array(request, "messages") ?? throw new LineException("'messages' is missing");
        var input = new ChatTemplateInput { Messages = messages, Tools = Array(request, "tools"), AddGenerationPrompt = request.Boolean("add_generation_prompt") ?? false };
        request.RequireNothingElse();
        var text = template.Apply(input).Text;
        return Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteString("text", text));
    }

    private static JsonElement? Array(LineRequest request, string name)
        => request.Take(name) is not { } value ? null : value.ValueKind == JsonValueKind.Array ? value : throw LineRequest.Wrong(name, "a list of objects");

    public void Dispose()
    {
    }
}
