using System.Text.Json;

namespace Kotonoha.Cli.Lines;

/// <summary>Answers lines; may be asked for several at once.</summary>
internal interface ILineHandler : IDisposable
{
    /// <summary>Answers one line.</summary>
    /// <param name="request">Its fields; every one that the handler knows is taken from it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Writes the members of the answer.</returns>
    Task<Action<Utf8JsonWriter>> AnswerAsync(LineRequest request, CancellationToken cancellationToken);
}
