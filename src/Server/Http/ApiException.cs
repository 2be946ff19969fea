using Kotonoha.Foundation;

namespace Kotonoha.Server.Http;

/// <summary>The kinds of errors, as OpenAI's interface names them.</summary>
internal static class ApiErrorType
{
    public const string Invalid = "invalid_request_error";
    public const string Authentication = "authentication_error";
    public const string Permission = "permission_error";
    public const string NotFound = "not_found_error";
    public const string RateLimit = "rate_limit_error";

    // OpenAI's own words where tokens are used up.
    public const string Tokens = "tokens";
    public const string Quota = "insufficient_quota";
    public const string Timeout = "timeout_error";
    public const string Server = "server_error";
}

/// <summary>A request that is refused, or that failed in a way that the caller is told of.</summary>
/// <param name="status">The status code.</param>
/// <param name="type">The kind (<see cref="ApiErrorType"/>).</param>
/// <param name="code">A word for programs, or null.</param>
/// <param name="message">What is wrong, and what helps.</param>
/// <param name="parameter">The field that is wrong, or null.</param>
internal sealed class ApiException(int status, string type, string? code, string message, string? parameter = null)
    : KotonohaException(message)
{
    public int Status => status;

    public string Type => type;

    public string? Code => code;

    public string? Parameter => parameter;

    /// <summary>When to try again, or null.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The methods that an address takes, where it was called by another; or null.</summary>
    public string? Allow { get; init; }

    /// <summary>A field that cannot be used.</summary>
    public static ApiException Invalid(string? parameter, string message, string? code = null)
        => new(400, ApiErrorType.Invalid, code, message, parameter);

    /// <summary>A field that this server has not got.</summary>
    public static ApiException Unsupported(string parameter, string message)
        => new(400, ApiErrorType.Invalid, "unsupported_parameter", message, parameter);
}
