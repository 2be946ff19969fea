using System.Text.Json;
using Kotonoha.LocalModel.Chat;

namespace Kotonoha.Cli.Lines;

/// <summary><c>kotonoha template</c>: {messages, tools?, add_generation_prompt?} → {text}.</summary>
internal sealed class TemplateLines(ChatTemplate template) : ILineHandler
{
    public Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken)
    {
        var messages = LineMessages.Take(request) ?? throw new LineException("'messages' is missing");
        bool prompt = request.Boolean("add_generation_prompt") ?? false;
        request.RequireNothingElse();
        var text = template.Apply(messages.Input(prompt)).Text;
        return Task.FromResult<Action<Utf8JsonWriter>>(json => json.WriteString("text", text));
    }

    public void Dispose()
    {
    }
}
