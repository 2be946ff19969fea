using System.Text.Json.Nodes;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.OpenAI;

/// <summary>The answers of one request: computed together, sent whole or piece by piece, in the shape of OpenAI's completions.</summary>
/// <param name="work">The request.</param>
/// <param name="idPrefix">Begins the id of the set.</param>
/// <param name="kind">What the whole is called.</param>
/// <param name="pieceKind">What a piece of a stream is called.</param>
/// <param name="count">How many answers there are.</param>
/// <param name="streams">Whether they are sent piece by piece.</param>
/// <param name="includesUsage">Whether a stream ends with what was used.</param>
internal abstract class AnswerSet(
    AdmittedRequest work, string idPrefix, string kind, string pieceKind, int count, bool streams, bool includesUsage)
{
    protected AdmittedRequest Work => work;

    /// <summary>Computes all answers, and sends them.</summary>
    public async Task SendAsync(HttpContext context, Errors errors)
    {
        var head = new JsonObject
        {
            ["id"] = $"{idPrefix}-{Guid.NewGuid():N}",
            ["object"] = streams ? pieceKind : kind,
            ["created"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ["model"] = work.ModelName,
            ["system_fingerprint"] = "kotonoha",
        };
        var writer = streams ? new EventWriter(context) : null;
        Func<JsonObject, Task>? send = writer is null ? null : choice => WriteAsync(new JsonArray(choice), null);
        try
        {
            try
            {
                // As many at the same time as the request has places for: the engine computes them in one batch.
                await Parallel.ForAsync(
                    0, count, new ParallelOptions { MaxDegreeOfParallelism = work.AtOnce, CancellationToken = work.Token },
                    (answer, cancellationToken) => ComputeAsync(answer, send, cancellationToken)).ConfigureAwait(false);
            }
            finally
            {
                // The headers of a whole answer tell what is left after it.
                Settle();
            }

            if (writer is null)
            {
                head["choices"] = Json.Array(Enumerable.Range(0, count).Select(Choice));
                head["usage"] = Usage();
                await Json.WriteAsync(context.Response, head).ConfigureAwait(false);
                return;
            }

            if (includesUsage)
                await WriteAsync([], Usage()).ConfigureAwait(false);
            await writer.WriteDoneAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var explained = work.Explain(exception);
            if (writer is not { HasStarted: true } || context.RequestAborted.IsCancellationRequested)
                throw explained;
            await writer.WriteAsync(Errors.Body(context, errors.Explain(explained))).ConfigureAwait(false);
        }

        Task WriteAsync(JsonArray choices, JsonObject? usage)
        {
            var piece = head.DeepClone().AsObject();
            piece["choices"] = choices;
            if (includesUsage)
                piece["usage"] = usage;
            return writer!.WriteAsync(piece);
        }
    }

    /// <summary>Computes one of the answers.</summary>
    /// <param name="answer">Its number, from 0.</param>
    /// <param name="send">Sends a choice with a piece of it; null where the answers are sent whole.</param>
    /// <param name="cancellationToken">Ends it.</param>
    protected abstract ValueTask ComputeAsync(int answer, Func<JsonObject, Task>? send, CancellationToken cancellationToken);

    /// <summary>An answer that has ended, as a choice.</summary>
    protected abstract JsonObject Choice(int answer);

    /// <summary>The tokens of all answers.</summary>
    protected abstract JsonObject Usage();

    /// <summary>Tells the request what was used and written, also where it was cut.</summary>
    protected abstract void Settle();

    protected static JsonObject Usage(long input, long output)
        => new() { ["prompt_tokens"] = input, ["completion_tokens"] = output, ["total_tokens"] = input + output };

    /// <summary>The settings of one of several answers: each draws its own tokens.</summary>
    protected static ChatOptions OptionsOf(ChatOptions options, int choice)
    {
        var own = options.Clone();
        if (own.Seed is { } seed)
            own.Seed = seed + choice;
        return own;
    }
}
