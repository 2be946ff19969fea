using System.Text.Json;

namespace Kotonoha.LocalModel.Chat;

/// <summary>A function call that the assistant made.</summary>
/// <param name="Name">The function.</param>
/// <param name="Arguments">Its arguments, a JSON object.</param>
/// <param name="Id">What ties the result to the call, or null.</param>
public sealed record ChatToolCall(string Name, JsonElement Arguments, string? Id = null);
